(* Small networks for exact examples.

   One input and one output: the network is a function F of the parameters, the imitation loss is half the
   squared error, the label is the teacher's output.  Then the student's step has the closed form

        v(e) = (F(th0 + e u) - F(thS)) grad F(thS)

   where thS is the student's starting point; thS = th0 is the shared initialisation.  `student_from` is the
   step of a student that starts anywhere, `student_step` of OneStep is the case of the shared start.  The
   remaining lemmas differentiate polynomials in two parameters and read off the coordinates of a gradient. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep.
Open Scope R_scope.

(* the student starts at thS and imitates the teacher th0 + e u *)
Definition student_from (m : nat) (L : vec -> vec -> R) (w : nat -> R) (f : nat -> vec -> vec)
  (thS th0 u : vec) (e : R) : vec :=
  gstep (imitation m L w f (fun x => f x (teacher th0 u e))) thS.

Lemma student_from_shared m L w f th0 u e : student_from m L w f th0 th0 u e = student_step m L w f th0 u e.
Proof. reflexivity. Qed.

(* vectors of one, two and three coordinates *)
Definition vec1 (a : R) : vec := fun j => match j with O => a | _ => 0 end.
Definition vec2 (a b : R) : vec := fun j => match j with O => a | 1%nat => b | _ => 0 end.
Definition vec3 (a b c : R) : vec := fun j => match j with O => a | 1%nat => b | 2%nat => c | _ => 0 end.

(* one input of weight one, one output *)
Definition net1 (F : vec -> R) : nat -> vec -> vec := fun _ th _ => F th.
Definition one_input : nat -> R := fun _ => 1.
Definition step1 (F : vec -> R) (th0 u : vec) (e : R) : vec :=
  student_step 1 (mse 1) one_input (net1 F) th0 u e.
Definition step1_from (F : vec -> R) (thS th0 u : vec) (e : R) : vec :=
  student_from 1 (mse 1) one_input (net1 F) thS th0 u e.

Lemma net1_differentiable k F th G : has_grad k F th G ->
  forall x i, (x < 1)%nat -> (i < 1)%nat -> differentiable k (fun th' => net1 F x th' i) th.
Proof. intros HF x i _ _. exists G. exact HF. Qed.

Lemma jac_net1 k F th G x i j : has_grad k F th G -> (j < k)%nat -> jac (net1 F) th x i j = G j.
Proof. intros HF Hj. unfold jac. apply (grad_eq k); [exact HF | exact Hj]. Qed.

(* the closed form of the step *)
Lemma step1_from_is k F thS th0 u e G j : has_grad k F thS G -> (j < k)%nat ->
  step1_from F thS th0 u e j = (F (teacher th0 u e) - F thS) * G j.
Proof.
  intros HF Hj.
  assert (HL : has_grad k (imitation 1 (mse 1) one_input (net1 F) (fun x => net1 F x (teacher th0 u e))) thS
    (fun j => (F thS - F (teacher th0 u e)) * G j)).
  { apply (has_grad_ext k (fun th => / 2 * ((F th - F (teacher th0 u e)) * (F th - F (teacher th0 u e))))).
    - eapply has_grad_ext_grad.
      + apply has_grad_scal, has_grad_mult;
          (apply has_grad_minus; [exact HF | apply has_grad_const]).
      + intros i _. cbv beta. field.
    - intros th. unfold imitation, mse, net1, one_input. cbn [rsum]. ring. }
  unfold step1_from, student_from, gstep. rewrite (grad_eq k _ _ _ HL j Hj). ring.
Qed.

Lemma step1_is k F th0 u e G j : has_grad k F th0 G -> (j < k)%nat ->
  step1 F th0 u e j = (F (teacher th0 u e) - F th0) * G j.
Proof. exact (step1_from_is k F th0 th0 u e G j). Qed.

Lemma gstep_is k F th G j : has_grad k F th G -> (j < k)%nat -> gstep F th j = - G j.
Proof. intros HF Hj. unfold gstep. rewrite (grad_eq k _ _ _ HF j Hj). reflexivity. Qed.

(* powers *)
Lemma has_grad_pow k F p th G : has_grad k F th G ->
  has_grad k (fun y => F y ^ p) th (fun j => INR p * F th ^ pred p * G j).
Proof.
  intros HF. apply (has_grad_comp1 k (fun x => x ^ p) (INR p * F th ^ pred p)); [|exact HF].
  replace (INR p * F th ^ pred p) with (INR p * 1 * F th ^ pred p) by ring.
  apply (is_derive_pow (fun x => x) p (F th) 1). apply (is_derive_id (F th)).
Qed.

(* the gradient of a polynomial, up to the form of its coordinates *)
Ltac poly_grad :=
  lazymatch goal with
  | |- has_grad _ (fun _ => ?c) _ _ => apply has_grad_const
  | |- has_grad _ (fun y => y ?j) _ _ => apply (has_grad_coord _ j); lia
  | |- has_grad _ (fun y => @?F y + @?G y) _ _ => apply (has_grad_plus _ F G); poly_grad
  | |- has_grad _ (fun y => @?F y - @?G y) _ _ => apply (has_grad_minus _ F G); poly_grad
  | |- has_grad _ (fun y => @?F y * @?G y) _ _ => apply (has_grad_mult _ F G); poly_grad
  | |- has_grad _ (fun y => - @?F y) _ _ => apply (has_grad_opp _ F); poly_grad
  | |- has_grad _ (fun y => @?F y ^ ?p) _ _ => apply (has_grad_pow _ F p); poly_grad
  end.
(* split a statement about all j < 1, 2 or 3 into its coordinates *)
Ltac coords := let j := fresh "j" in let Hj := fresh "Hj" in
  intros j Hj; destruct j as [|[|[|j]]]; try (exfalso; lia); clear Hj.
Ltac calc := cbv [vec1 vec2 vec3 delta Nat.eqb INR pred pow]; try field; try lra.
Ltac grad_is := eapply has_grad_ext_grad; [unfold Rdiv; poly_grad | coords; calc].
(* a coordinate of the teacher's direction, of a student's step *)
Ltac gval HT := rewrite (gstep_is _ _ _ _ _ HT) by lia; cbv [vec1 vec2 vec3]; lra.
Ltac sval HF := first
  [rewrite (step1_is _ _ _ _ _ _ _ HF) by lia | rewrite (step1_from_is _ _ _ _ _ _ _ _ HF) by lia].
